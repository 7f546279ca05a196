# Programs of this family.
