"""What several class activation maps share."""
