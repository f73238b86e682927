"""Tables in, artefacts out."""
