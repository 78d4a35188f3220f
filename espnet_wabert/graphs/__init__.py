"""A trained model as ONNX graphs: written, checked against torch, quantized, and run again.

`folder` says which graphs there are and what they take and return. `parts` has the functions of a
model that become graphs, `mel` those of Whisper's encoder. `export` writes them, `comparison`
checks them, `quantize` makes them int8. `model` is an exported model on onnxruntime, with the
interface of the one that it was made of.
"""
