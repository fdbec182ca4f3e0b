"""A comparison in every form that `apigw diff --format` knows beside the terminal's."""
