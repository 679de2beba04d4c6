# Runs as a job of the demo. It looks for what an earlier job left and for the registration token, reports what it
# found in one line, and then leaves litter of its own. The token's two halves are joined inside the shell alone, so
# that the search does not find itself.
litter=0; token=no
for place in /tmp /var/tmp /dev/shm "$HOME" "$PWD" /azp/work; do
  for left in "$place"/mayfly-litter-*; do if [ -e "$left" ]; then litter=$((litter + 1)); fi; done
done
for process in /proc/[0-9]*/cmdline; do
  if tr '\0' ' ' < "$process" 2>/dev/null | grep -q '^sleep 86399'; then litter=$((litter + 1)); fi
done
left_half=@LEFT@; right_half=@RIGHT@
needle() { printf '%s%s' "$left_half" "$right_half"; }
if cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | grep -qaF -f <(needle); then token=yes; fi
if env | grep -qF -f <(needle); then token=yes; fi
if grep -rqsaF -f <(needle) /azp /etc /home /run /tmp /var/tmp /dev/shm /root /opt /srv 2>/dev/null; then token=yes; fi
echo "mayfly-proof container=$(cat /etc/hostname) litter=$litter token=$token"
for place in /tmp /var/tmp /dev/shm "$HOME" "$PWD" /azp/work; do echo "left by a job" > "$place/mayfly-litter-$$" 2>/dev/null; done
nohup setsid sleep 86399 > /dev/null 2>&1 &
exit 0
