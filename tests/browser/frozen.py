"""Imported last into the process that apps are forked from: nothing loaded so far is looked through for garbage again.

Streamlit collects after every run of a page; with all its libraries loaded that costs more than the run.
"""

import gc

gc.collect()
gc.freeze()
