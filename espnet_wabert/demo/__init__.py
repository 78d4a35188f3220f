"""The page of `wabert demo`: record or upload a recording and see when each word is said.

`analysis` uses the model, `tables` and `picture` show what it found as HTML, `clips` finds example
recordings, and `page` has the layout and the server's settings. Only `page` needs Gradio.
"""
