# Damages files of ours on a booted host in as many ways as a person, a disk or another program might. Run as root.
set -eu
cd /etc/systemd/system
# Units: a service that runs loses its file and systemd notices; others are masked, replaced, changed, deleted.
rm harvester-recorder.service harvester-remind.service
systemctl stop harvester-close.timer
ln -sf /dev/null harvester-close.timer
ln -sf /etc/passwd harvester-prune.service
rm harvester-upload.service && mkdir -p harvester-upload.service/inside
chmod 0777 harvester-alert.service
chown nobody harvester-verify.timer
rm multi-user.target.wants/harvester-token-agent.service
systemctl daemon-reload
mkdir harvester-metrics.service.d && printf '[Service]\nNice=7\n' >harvester-metrics.service.d/override.conf
# Release and deployments: a part of the venv is gone, the wheels are cut, every link leads nowhere.
rm -r /opt/harvester/releases/*/lib/python3*/site-packages/numpy /opt/harvester/deployments/*
truncate --size 0 /opt/harvester/wheelhouse/*.tar
mkdir -p /opt/harvester/.current.new/inside
chmod 0 /opt/harvester/libexec/report-failure
# Configuration and settings.
for file in /etc/harvester/generations/*.json; do echo '{' >"$file"; done
chattr +i /etc/harvester/generations/*.json || true
rm /etc/harvester/config.json /etc/harvester/calendar.json /etc/cron.d/harvester /etc/sysusers.d/harvester.conf
rm -r /etc/nftables.d && echo theirs >/etc/nftables.d
rm /etc/sysctl.d/60-host-hardening.conf /etc/nftables.conf /etc/fail2ban/jail.d/host-hardening.local
rm -r /etc/systemd/journald.conf.d /etc/needrestart/conf.d
# Users and data.
userdel harvester-upload
userdel harvester-metrics
rm -r /var/spool/harvester-alert /var/lib/harvester/uploads
chown -R root:root /var/lib/harvester/journal
chmod 0700 /var/lib/harvester
