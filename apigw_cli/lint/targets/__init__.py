"""Where an API is to be deployed: rules about what a target cannot express, one module for each."""
