"""Small applications of the frameworks, and one suite that is run against each."""
