"""The only shared code that imports streamlit: pages, session state, resources and components."""
