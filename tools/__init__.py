"""Commands that build what the program deploys."""
