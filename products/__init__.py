"""What is evaluated: manifests, deployment, alert sources and normalisation."""
