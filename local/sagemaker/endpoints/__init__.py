"""Models, endpoint configurations, endpoints, and invocations of them."""
