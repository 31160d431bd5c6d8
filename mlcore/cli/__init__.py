"""The ``mlcore`` command."""
