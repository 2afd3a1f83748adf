"""What is replayed: the ATT&CK catalogue, procedures, emulation plans and their replay."""
