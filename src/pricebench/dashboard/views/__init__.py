"""One file a page. Each has `show(settings)`; what is more than a choice of widgets lives outside of this folder."""
