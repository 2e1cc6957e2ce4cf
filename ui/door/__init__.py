"""The door: what stands before Streamlit and lets nobody through who has no right to be there."""
