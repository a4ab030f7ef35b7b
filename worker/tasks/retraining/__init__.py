"""Trainings: claimed, carried out in processes of their own, recorded, published."""
