"""The fields of ``mailcore.storage.tables.MailServer`` that a person sees, with the same unique description."""

from typing import ClassVar

from django.db import models


class Server(models.Model):
    """One registered server."""

    name = models.CharField("Descrição", max_length=200, unique=True)
    kind = models.CharField(
        "Tipo de envio", max_length=20, choices=[("smtp", "SMTP"), ("elastic_email", "Elastic Email")]
    )
    host = models.CharField("Servidor", max_length=255, blank=True)
    port = models.IntegerField("Porta envio", null=True, blank=True)
    security = models.CharField(
        "SSL",
        max_length=20,
        choices=[("none", "Nenhuma"), ("starttls", "STARTTLS"), ("ssl_tls", "SSL/TLS direto")],
    )
    security_auto = models.BooleanField("Automático")
    verify_certificate = models.BooleanField("Exigir certificado válido")
    ca_pem = models.TextField("Certificado da autoridade (PEM)", blank=True)
    username = models.CharField("Usuário", max_length=320, blank=True)
    from_address = models.CharField("E-mail do remetente", max_length=320)
    from_name = models.CharField("Nome do remetente", max_length=200, blank=True)
    reply_to = models.CharField("Responder para", max_length=320, blank=True)
    is_paid = models.BooleanField("Paga")
    is_active = models.BooleanField("Ativo")
    is_default = models.BooleanField("Padrão")
    daily_limit = models.IntegerField("Limite diário", null=True, blank=True)
    limit_unit = models.CharField(
        "Contar por", max_length=20, choices=[("recipients", "Destinatários"), ("messages", "Mensagens")]
    )
    limit_window = models.CharField(
        "Janela", max_length=20, choices=[("rolling_24h", "24 horas corridas"), ("calendar_day", "Dia civil")]
    )
    same_address = models.CharField(
        "Origem igual ao destino",
        max_length=20,
        choices=[("block", "Bloquear"), ("warn", "Avisar"), ("allow", "Permitir")],
    )
    notes = models.TextField("Observações", blank=True)
    last_check_state = models.CharField(
        "Último teste",
        max_length=20,
        choices=[("never", "Nunca testado"), ("ok", "Funcionando"), ("failed", "Com falha")],
    )
    last_check_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "servidor de e-mail"
        verbose_name_plural = "servidores de e-mail"
        ordering: ClassVar = ["name"]
        indexes: ClassVar = [models.Index(fields=["is_active", "is_paid", "kind", "last_check_state"])]

    def __str__(self) -> str:
        return self.name
