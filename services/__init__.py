"""The platform's containers: long-running services that speak protocols no function can."""
