"""A site with a bucket, database, host names and certificate of its own, and Regraft there by docs/operations.md."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import yaml

from tests.e2e.cluster import ROOT, forwarded, kubectl, rolled_out

SITE = "site"
HOST = "localhost"
MLFLOW_HOST = "mlflow.localhost"
BUCKET = "models"
CLUSTER = os.environ.get("CLUSTER", "regraft")

SETTINGS = {
    "REGISTRY": "docker.io/regraft",
    "TAG": "dev",
    "HOST": HOST,
    "MLFLOW_HOST": MLFLOW_HOST,
    "INGRESS_CLASS": "traefik",
    "TLS_SECRET": "regraft-tls",
    "INGRESS_CIDR": "127.0.0.1/32",
    "STORE_URL": f"s3://{BUCKET}",
    "ARTIFACT_ROOT": f"s3://{BUCKET}/mlflow",
    "S3_ENDPOINT_URL": f"http://s3.{SITE}:9000",
    "S3_REGION": "eu-central-1",
    "RUNS_AT_ONCE": "2",
    "TRAIN_SECONDS": "1800",
    "WORKFLOW_TTL_SECONDS": "3600",
    "NO_PROXY": "",
    "OWNER": "rehearsal",
    "ALLOW_PRIVATE_HOSTS": "datasets.regraft-datasets.svc",
    "MLFLOW_TRACKING_URI": "http://mlflow:5000",
    "MLFLOW_PUBLIC_URL": f"https://{MLFLOW_HOST}",
    "PUBLIC_URL": f"https://{HOST}",
    "MLFLOW_ALLOWED_HOSTS": f"mlflow:5000,{MLFLOW_HOST}",
}

QUOTA = ("requests.cpu=8", "requests.memory=12Gi", "limits.cpu=48", "limits.memory=40Gi")
"""Of the namespace: no pod comes up of which a container has no limits."""


class Site:
    """What is secret at the site, where its certificate is, and a copy of the manifests with the site's settings."""

    def __init__(self, folder: Path) -> None:
        self.access_key, self.secret_key = secrets.token_hex(8), secrets.token_urlsafe(24)
        self.database_password = secrets.token_hex(16)
        self.token = secrets.token_urlsafe(24)
        self.manifests = folder / "regraft"
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"

    def build(self) -> None:
        """Make what is there before Regraft: bucket, database, certificate."""
        _say("the site: S3, PostgreSQL, certificate")
        dockerfile = ROOT / "tests/rehearsal/postgresql"
        _run("docker", "build", "--quiet", "--tag", "docker.io/regraft/postgresql:dev", str(dockerfile))
        _run("kind", "load", "docker-image", "docker.io/regraft/postgresql:dev", "--name", CLUSTER)
        kubectl("delete", "namespace", SITE, "--ignore-not-found")
        kubectl("create", "namespace", SITE)
        literals = {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "POSTGRESQL_PASSWORD": self.database_password,
        }
        given = [f"--from-literal={name}={value}" for name, value in literals.items()]
        kubectl("create", "secret", "generic", "site", *given, namespace=SITE)
        kubectl("apply", "--server-side", "--filename", "-", text=_site_manifests(), namespace=SITE)
        for deployment in ("s3", "postgresql"):
            rolled_out(deployment, namespace=SITE)
        with forwarded("s3", 9000, namespace=SITE) as url:
            client = boto3.client(
                "s3",
                endpoint_url=url,
                region_name=SETTINGS["S3_REGION"],
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret_key,
            )
            place = {"LocationConstraint": SETTINGS["S3_REGION"]}
            client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
            client.close()
        self._make_certificate()
        self._write_settings()

    def install(self) -> None:
        """Do what docs/operations.md says under `Install`, in its order."""
        _say("Regraft, by the overlay for production")
        self._make_secrets(self.secret_key)
        kubectl("create", "quota", "team", "--hard", ",".join(QUOTA))
        tls = ("--cert", str(self.certificate), "--key", str(self.key))
        kubectl("create", "secret", "tls", SETTINGS["TLS_SECRET"], *tls)
        kubectl("label", "namespace", "traefik", "regraft.dev/ingress=true", "--overwrite")
        self.apply()
        job = ("job", "--selector", "app.kubernetes.io/name=bootstrap")
        kubectl("wait", "--for", "condition=Complete", *job, "--timeout", "280s")
        for deployment in ("mlflow", "regraft-trigger", "passwords-predictor", "heart-disease-predictor"):
            rolled_out(deployment)

    def apply(self) -> str:
        """Apply the overlay and return what kubectl says of it."""
        options = ("--server-side", "--validate=strict", "--kustomize")
        return kubectl("apply", *options, str(self.manifests / "k8s/overlays/production"))

    @contextmanager
    def with_known_secret(self) -> Iterator[None]:
        """Let the bucket's secret be one that everybody knows."""
        self._make_secrets("minioadmin-minioadmin")
        try:
            yield
        finally:
            self._make_secrets(self.secret_key)

    def _make_secrets(self, secret_key: str) -> None:
        database = f"postgresql+psycopg://mlflow:{self.database_password}@postgresql.{SITE}/mlflow"
        _run(
            str(self.manifests / "k8s/scripts/secrets.sh"),
            AWS_ACCESS_KEY_ID=self.access_key,
            AWS_SECRET_ACCESS_KEY=secret_key,
            MLFLOW_BACKEND_STORE_URI=database,
            REGRAFT_TRIGGER_TOKEN=self.token,
        )

    def _make_certificate(self) -> None:
        names = f"subjectAltName=DNS:{HOST},DNS:{MLFLOW_HOST}"
        subject = ("-subj", f"/CN={HOST}", "-addext", names)
        files = ("-keyout", str(self.key), "-out", str(self.certificate))
        _run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files)

    def _write_settings(self) -> None:
        shutil.copytree(ROOT / "k8s", self.manifests / "k8s", ignore=shutil.ignore_patterns("upstream.yaml"))
        folder = self.manifests / "k8s/overlays/production"
        settings = (folder / "settings.env").read_text()
        for name, value in SETTINGS.items():
            settings, found = re.subn(rf"^{name}=.*$", f"{name}={value}", settings, flags=re.MULTILINE)
            assert found == 1, name
        (folder / "settings.env").write_text(settings)
        kustomization = folder / "kustomization.yaml"
        offered = "  # - ../../components/quota"
        text = kustomization.read_text()
        assert offered in text
        kustomization.write_text(text.replace(offered, offered.replace("# ", "")))


def remove_regraft() -> None:
    """Remove the namespace of Regraft with all that is in it."""
    _say("removing the namespace regraft")
    kubectl("delete", "namespace", "regraft", "--ignore-not-found", "--timeout", "240s")


def _site_manifests() -> str:
    image = _version("MINIO_IMAGE")
    documents = list(yaml.safe_load_all((ROOT / "tests/rehearsal/site.yaml").read_text()))
    for document in documents:
        if document["kind"] == "Deployment" and document["metadata"]["name"] == "s3":
            document["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return yaml.safe_dump_all(documents)


def _version(name: str) -> str:
    lines = (ROOT / "k8s/versions.env").read_text().splitlines()
    return next(line.removeprefix(f"{name}=") for line in lines if line.startswith(f"{name}="))


def _run(*command: str, **environment: str) -> None:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{command[0]} failed: {done.stdout}{done.stderr}")


def _say(what: str) -> None:
    print(what, flush=True)
