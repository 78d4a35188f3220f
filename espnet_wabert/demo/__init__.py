"""The page of `wabert demo`: record or upload a recording and see when each word is said.

`analysis` uses the model, `tables` and `picture` show what it found as HTML, `clips` finds example
recordings, `page` has the layout and the server's settings, and `server` deletes what visitors
leave. Only `page` needs Gradio.
"""
