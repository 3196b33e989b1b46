"""The machine itself: system, processor, memory, disks, and what is on its PCI bus."""
