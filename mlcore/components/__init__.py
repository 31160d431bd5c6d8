"""The standard components: thin classes that read inputs, call one pure function and write outputs."""
