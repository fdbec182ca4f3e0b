"""Templates (`config/template.py`) made ready at load: values read, and written for where they stand."""
