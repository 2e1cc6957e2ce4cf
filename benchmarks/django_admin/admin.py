"""The list with the app's columns, filters, search fields and page size; the rest is Django's default."""

from django.contrib import admin

from benchmarks.django_admin.models import Server


@admin.register(Server)
class ServerAdmin(admin.ModelAdmin):
    """The list and the form of servers."""

    list_display = (
        "name", "kind", "host", "port", "security", "username", "from_address", "is_paid", "last_check_state",
        "is_active", "is_default",
    )  # fmt: skip
    list_filter = ("kind", "is_active", "is_paid", "last_check_state")
    search_fields = ("name", "host", "username", "from_address", "notes")
    list_per_page = 50
