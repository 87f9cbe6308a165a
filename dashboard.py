"""The dashboard's script, for `streamlit run dashboard.py`; `pricebench dashboard` starts the same pages."""

from pricebench.dashboard.app import main

main()
