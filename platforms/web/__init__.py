"""The local web page: chat in the browser, with or without script."""
