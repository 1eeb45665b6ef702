"""A headless Chromium in front of Airflow, and what a person does there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

Found = TypeVar("Found")

PROGRAMS = tuple(shutil.which(name) for name in ("chromium", "chromedriver"))
"""Chromium and its driver, as Debian installs them; None where they are not."""

needs_chromium = pytest.mark.skipif(
    None in PROGRAMS, reason="Chromium is not installed: apt-get install chromium chromium-driver"
)
PATIENCE = 90
SIZE = (1280, 800)
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
          "--disable-background-networking", "--disable-component-update",
          "--disable-sync")  # fmt: skip


class Browser:
    """A person's browser window."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self._url = url

    def log_in(self, user: str, password: str) -> None:
        """Log in on the form that an unknown visitor is sent to."""
        self.open("/")
        self.find('input[name="username"]').send_keys(user)
        self.find('input[name="password"]').send_keys(password)
        self.find('button[type="submit"]').click()
        self.wait(lambda: "/auth/login" not in self.driver.current_url)

    def open(self, path: str) -> None:
        """Open a page of Airflow."""
        self.driver.get(f"{self._url}{path}")

    def find(self, selector: str) -> WebElement:
        """Return the first shown element of a CSS selector, when there is one."""
        return self.wait(lambda: self._shown(By.CSS_SELECTOR, selector))

    def words(self, words: str, within: str = "body") -> WebElement:
        """Return the innermost element with these words, when there is one."""
        has = f"text()[contains(normalize-space(.), '{words}')]"
        path = f"//{within}/descendant-or-self::*[{has}]"
        return self.wait(lambda: self._shown(By.XPATH, path))

    def click(self, element: WebElement) -> None:
        """Click, also what a label lies over."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def fill_moment(self, place: int, moment: datetime) -> None:
        """Fill the `place`-th of the dialog's moments, through its calendar."""
        self.click(self.words("Select date and time"))
        for placeholder, value in (
            ("YYYY/MM/DD", f"{moment:%Y/%m/%d}"),
            ("HH:mm", f"{moment:%H:%M}"),
        ):
            field = self.find(f'input[placeholder="{placeholder}"]')
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(value, Keys.TAB)
        field.send_keys(Keys.ESCAPE)
        self.wait(lambda: self._shown(By.CSS_SELECTOR, 'input[placeholder="HH:mm"]') is None)

    def fill_words(self, name: str, words: str) -> None:
        """Fill a form's field of that name."""
        field = self.find(f'[name="element_{name}"]')
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(words, Keys.TAB)

    def frame_text(self) -> str:
        """Return what the embedded page shows."""
        self.driver.switch_to.frame(self.find("iframe"))
        try:
            return self.find("h1").find_element(By.XPATH, "..").text
        finally:
            self.driver.switch_to.default_content()

    def picture(self, path: Path) -> None:
        """Save a picture of the window."""
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))

    def wait(self, ready: Callable[[], Found | None], patience: float = PATIENCE) -> Found:
        """Return what `ready` finds when it finds something."""
        ignored = [StaleElementReferenceException]
        return WebDriverWait(self.driver, patience, ignored_exceptions=ignored).until(
            lambda _driver: ready()
        )

    def _shown(self, by: str, selector: str) -> WebElement | None:
        found = self.driver.find_elements(by, selector)
        return next((element for element in found if element.is_displayed()), None)


def picture(window: Browser, name: str, *, height: int = SIZE[1]) -> None:
    """Keep a picture of the window where ``PASSBOOK_SCREENSHOTS`` names a folder."""
    if folder := os.environ.get("PASSBOOK_SCREENSHOTS"):
        window.driver.set_window_size(SIZE[0], height)
        window.picture(Path(folder) / f"{name}.png")
        window.driver.set_window_size(*SIZE)


@contextmanager
def browser(url: str, profile: Path, size: tuple[int, int] = SIZE) -> Iterator[Browser]:
    """Open a window on a profile of its own, empty at first."""
    chromium, driver = PROGRAMS
    options = webdriver.ChromeOptions()
    options.binary_location = chromium or ""
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"):
        options.add_argument(flag)
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Browser(window, url)
    finally:
        window.quit()
