"""The reward service: verifiers over HTTP (`pe serve`), and the client that spreads a batch over several of them."""
