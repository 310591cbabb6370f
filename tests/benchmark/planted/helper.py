"""Has no orchestrator."""
