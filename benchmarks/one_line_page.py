# The yardstick: the least that a Streamlit page can be.
import streamlit as st

st.title("Servidores de e-mail")
