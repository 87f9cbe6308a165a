"""Fresh processes without seconds of imports: one process imports what all need, and forks a child per request."""
