"""Trainings: taken up, carried out as processes aside, recorded, published."""
