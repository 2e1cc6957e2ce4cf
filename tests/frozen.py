"""Imported last into the process that others are forked from: what is loaded so far is looked through no more.

Streamlit collects garbage after every run of a page; with all its libraries loaded that costs more than the run.
"""

import gc

gc.collect()
gc.freeze()
