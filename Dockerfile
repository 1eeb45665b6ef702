# Two images: `airflow` with Passbook and everything it computes with, and `hive`, which is Apache
# Hive's own with the driver of the metastore's database. docker-compose.yaml builds both.

FROM python:3.11-slim-bookworm AS airflow
# krb5-user is Kerberos' library, and the kinit that `airflow kerberos` calls.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        krb5-user libgomp1 libgssapi-krb5-2 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 50000 --create-home passbook \
    && install --directory --owner=passbook /var/lib/passbook /var/lib/airflow
WORKDIR /opt/passbook
# The dependencies change less often than the code, so they are a layer of their own.
COPY requirements-installer.txt requirements-image.txt ./
# pykerberos is compiled; what that takes does not stay.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev libkrb5-dev \
    && python -m pip install --no-cache-dir --require-hashes -r requirements-installer.txt \
    && uv pip install --system --no-cache --require-hashes -r requirements-image.txt \
    && apt-get purge --yes --auto-remove gcc libc6-dev libkrb5-dev \
    && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md ./
COPY include include
RUN uv pip install --system --no-cache --no-deps --no-build-isolation .
COPY dags dags
COPY plugins plugins
USER passbook
ENV AIRFLOW_HOME=/var/lib/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/passbook/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/passbook/plugins \
    PASSBOOK_HOME=/var/lib/passbook \
    PYTHONUNBUFFERED=1
CMD ["airflow", "version"]

FROM debian:bookworm-slim AS jdbc
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libpostgresql-jdbc-java \
    && cp --dereference /usr/share/java/postgresql.jar /postgresql.jar

FROM apache/hive:4.0.1 AS hive
COPY --from=jdbc --chmod=0444 /postgresql.jar /opt/hive/lib/postgresql.jar
