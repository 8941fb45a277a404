"""ModelRegistry: approves, rejects, deploys and rolls back model versions, and tells people."""
