"""The artifact store: folders of files below one root, any fsspec URL, sealed by a content digest."""
