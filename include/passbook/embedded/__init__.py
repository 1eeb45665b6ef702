"""Postgres, HiveServer2 and Airflow out of wheels, for the demo and the tests."""
