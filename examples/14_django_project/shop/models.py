"""What the shop keeps."""

from django.db import models


class Order(models.Model):
    customer = models.CharField(max_length=100)
    total = models.DecimalField(max_digits=8, decimal_places=2)
    receipt_sent = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.customer}: {self.total} EUR"
