import streamlit as st  # noqa: D100 - the yardstick: the least a Streamlit page can be

st.title("Servidores de e-mail")
