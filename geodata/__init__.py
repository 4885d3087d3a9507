"""What sources say of an address and what land a disk covers; sends no packet to a target."""
