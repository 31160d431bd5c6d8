"""A released model behind HTTP: asked a row or many, swapped while it runs when its alias moves."""
