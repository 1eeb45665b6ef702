"""What Airflow's UI shows of Passbook: HTML pages without scripts, out of the ledger."""
