"""The dashboard: stored evidence and the trained model as pages in a browser. The only room that knows streamlit.

`views` draw; what they draw comes from the modules beside them, which know no streamlit.
"""
