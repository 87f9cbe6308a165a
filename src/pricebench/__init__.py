"""pricebench: which PyTorch execution mode should I ship? A house price model and the laboratory that measures it."""
