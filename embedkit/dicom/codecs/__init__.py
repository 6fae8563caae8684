"""Encoded frames to arrays: a module a family of transfer syntaxes, behind one dispatch (`dispatch`)."""
