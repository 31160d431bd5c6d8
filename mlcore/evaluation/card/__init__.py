"""Model cards (Mitchell et al., 2019): what a model is, how good it is and where it is not; Markdown or HTML."""
