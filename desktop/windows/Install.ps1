# Install Elephant's agent into an image of Windows Server 2022 or newer that has a DCV server. Can be run
# again, to upgrade or to change a value; the values are those of linux/install.sh.
param(
    [string]$CERTIFICATE_SECRET = '',
    [ValidateSet('dcv', 'none')][string]$SIGN_IN = 'dcv',
    [int]$DCV_PORT = 8443,
    [int]$IDLE_MINUTES = 0,
    [int]$HOOK_SECONDS = 600
)
$ErrorActionPreference = 'Stop'
$Root = "$env:ProgramData\Elephant"
$SessionOwner = 'elephant'

# Only SYSTEM and administrators may write what runs as SYSTEM, or read what it downloads.
New-Item $Root, "$Root\start.d", "$Root\finish.d" -ItemType Directory -Force | Out-Null
& icacls.exe $Root /inheritance:r /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
if ($LASTEXITCODE -ne 0) { throw "the rights on $Root cannot be set" }
Copy-Item "$PSScriptRoot\Elephant-Desktop.ps1" $Root -Force
Copy-Item "$PSScriptRoot\start.d\10-room.ps1" "$Root\start.d" -Force
Set-Content "$Root\desktop.conf" -Encoding Ascii -Value @(
    "CERTIFICATE_SECRET=$CERTIFICATE_SECRET", "SIGN_IN=$SIGN_IN", "DCV_PORT=$DCV_PORT",
    "IDLE_MINUTES=$IDLE_MINUTES", "HOOK_SECONDS=$HOOK_SECONDS"
)

# The session's user, who is logged on by the agent, and gets no credentials of the desktop's role.
if (-not (Get-LocalUser $SessionOwner -ErrorAction SilentlyContinue)) {
    New-LocalUser $SessionOwner -NoPassword -PasswordNeverExpires | Out-Null
    Add-LocalGroupMember -SID 'S-1-5-32-545' -Member $SessionOwner
}
$sid = (Get-LocalUser $SessionOwner).SID.Value
Remove-NetFirewallRule -Name 'Elephant-Metadata' -ErrorAction SilentlyContinue
New-NetFirewallRule -Name 'Elephant-Metadata' -DisplayName 'Elephant: no instance metadata' `
    -Direction Outbound -Action Block -Protocol TCP -RemoteAddress 169.254.169.254 `
    -LocalUser "D:(A;;CC;;;$sid)" | Out-Null
& powercfg.exe /change monitor-timeout-ac 0 # a screen that goes dark also locks

$script = "-NoProfile -ExecutionPolicy Bypass -File `"$Root\Elephant-Desktop.ps1`""
$settings = New-ScheduledTaskSettingsSet -ExecutionTimeLimit 0 -RestartCount 999 `
    -RestartInterval (New-TimeSpan -Minutes 1)
Register-ScheduledTask -TaskName 'Elephant Desktop' -Force -User 'SYSTEM' -RunLevel Highest `
    -Action (New-ScheduledTaskAction -Execute 'powershell.exe' -Argument $script) `
    -Trigger (New-ScheduledTaskTrigger -AtStartup) -Settings $settings | Out-Null

Write-Output 'elephant: the agent is installed, and starts when a desktop boots'
if (-not (Get-Service dcvserver -ErrorAction SilentlyContinue)) {
    Write-Warning 'elephant: there is no DCV server in this image, and this does not install one'
}
