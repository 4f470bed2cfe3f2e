"""One job on its way: routed, sent, followed, settled, collected."""
