# Elephant's agent on a Windows desktop: the same as linux/elephant-desktop, whose comments say why.
# A scheduled task runs it as SYSTEM at startup; Install.ps1 makes it. It logs to C:\ProgramData\Elephant.
$ErrorActionPreference = 'Stop'

# The same on Linux, and in the API.
$Session = 'elephant'
$SessionOwner = 'elephant'

$Root = "$env:ProgramData\Elephant"
$Imds = 'http://169.254.169.254/latest'
$Dcv = "$env:ProgramFiles\NICE\DCV\Server\bin\dcv.exe"
$DcvFiles = 'C:\Windows\System32\config\systemprofile\AppData\Local\NICE\dcv'
$DcvKey = 'Registry::HKEY_USERS\S-1-5-18\Software\GSettings\com\nicesoftware\dcv'
$Winlogon = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon'
$PollSeconds = 20

$script:Finishing = $false
$script:Expires = [DateTime]::MinValue
$script:EndsAt = [DateTime]::MaxValue

function Write-Log([string]$Text) {
    Add-Content -Path "$Root\agent.log" -Value "$([DateTime]::UtcNow.ToString('s'))Z $Text"
}

function Stop-Agent([string]$Text) {
    Write-Log $Text
    exit 3
}

# Until the block returns true, with pauses from one second, doubling to one minute.
function Invoke-Retry([scriptblock]$Block) {
    $seconds = 1
    while ($true) {
        try { if (& $Block) { return } } catch { Write-Log "$_" }
        Start-Sleep -Seconds $seconds
        $seconds = [Math]::Min(2 * $seconds, 60)
    }
}

# --- Who this instance is

# One value of the instance metadata; nothing if there is none.
function Get-Metadata([string]$Path) {
    $ttl = @{ 'X-aws-ec2-metadata-token-ttl-seconds' = '60' }
    $token = Invoke-RestMethod -Method Put -Uri "$Imds/api/token" -Headers $ttl -TimeoutSec 5
    try {
        $headers = @{ 'X-aws-ec2-metadata-token' = $token }
        (Invoke-WebRequest -UseBasicParsing -Uri "$Imds/meta-data/$Path" -Headers $headers -TimeoutSec 5).Content
    } catch [System.Net.WebException] {
        if ([int]$_.Exception.Response.StatusCode -ne 404) { throw }
    }
}

function Update-Credentials {
    if ([DateTime]::UtcNow.AddMinutes(5) -lt $script:Expires) { return }
    $role = (Get-Metadata 'iam/security-credentials/').Split("`n")[0]
    $script:Credentials = Get-Metadata "iam/security-credentials/$role" | ConvertFrom-Json
    $script:Expires = ([DateTime]$script:Credentials.Expiration).ToUniversalTime()
}

# --- Signed requests

# Send one, and set $Status, $ErrorType, $RetryAfter and $Answer. All that is secret goes through a pipe.
function Invoke-Signed([string]$Service, [string]$Method, [string]$Uri, [string]$Body, [string[]]$Headers) {
    Update-Credentials
    $files = $Root.Replace('\', '/')
    Remove-Item "$Root\answer.json" -ErrorAction SilentlyContinue
    $options = @(
        'silent', 'show-error', 'max-time = 30', "request = `"$Method`"", "url = `"$Uri`"",
        "aws-sigv4 = `"aws:amz:$($script:Region):$Service`"",
        "user = `"$($script:Credentials.AccessKeyId):$($script:Credentials.SecretAccessKey)`"",
        "header = `"x-amz-security-token: $($script:Credentials.Token)`"",
        "output = `"$files/answer.json`"",
        'write-out = "%{http_code}|%header{x-amzn-errortype}|%header{retry-after}"'
    )
    foreach ($header in $Headers) { $options += "header = `"$header`"" }
    if ($Method -eq 'POST') {
        [IO.File]::WriteAllText("$Root\request.json", $Body)
        $options += "data-binary = `"@$files/request.json`""
    }
    $said = $options | & curl.exe --config '-'
    if ($LASTEXITCODE -ne 0) { throw "no answer from $Uri (curl: $LASTEXITCODE)" }
    $script:Status, $script:ErrorType, $script:RetryAfter = "$said".Split('|')
    $script:Answer = ''
    if (Test-Path "$Root\answer.json") {
        $script:Answer = [IO.File]::ReadAllText("$Root\answer.json")
        Remove-Item "$Root\answer.json"
    }
}

# Ask the API once; whether it said what to do.
function Invoke-Api([string]$Method, [string]$Path, [string]$Body = '') {
    Invoke-Signed 'execute-api' $Method "$($script:Api)/$Path" $Body @('Content-Type: application/json')
    if ($script:Status -eq '200') { return $true }
    if ($script:Status -eq '410') {
        if (-not $script:Finishing) { Complete-Meeting "the meeting is over: $($script:Answer)" }
        return $true
    }
    if (-not $script:ErrorType) {
        if ($script:Status -in '400', '409', '413') { return $true }
        if ($script:Status -eq '403') { Stop-Agent "refused: $($script:Answer)" }
    }
    if ($script:Status -eq '403') { $script:Expires = [DateTime]::MinValue }
    Write-Log "$Method /$Path was answered $($script:Status): $($script:Answer)"
    return $false
}

# Do it, or notice that the meeting is over meanwhile.
function Invoke-Prepared([scriptblock]$Step) {
    Invoke-Retry {
        try { if (& $Step) { return $true } } catch { Write-Log "$_" }
        Invoke-Api 'GET' 'desktop' | Out-Null
        return $false
    }
}

# --- DCV: https://docs.aws.amazon.com/dcv/latest/adminguide/

function Install-Certificate {
    if (-not $Config.CERTIFICATE_SECRET) { return $true }
    $body = ConvertTo-Json @{ SecretId = $Config.CERTIFICATE_SECRET }
    $headers = @('Content-Type: application/x-amz-json-1.1', 'X-Amz-Target: secretsmanager.GetSecretValue')
    $domain = Get-Metadata 'services/domain'
    Invoke-Signed 'secretsmanager' 'POST' "https://secretsmanager.$($script:Region).$domain/" $body $headers
    if ($script:Status -ne '200') {
        throw "secret $($Config.CERTIFICATE_SECRET) cannot be read: $($script:Answer)"
    }
    $held = ($script:Answer | ConvertFrom-Json).SecretString | ConvertFrom-Json
    if ($held.'dcv.pem' -notmatch 'BEGIN CERTIFICATE' -or $held.'dcv.key' -notmatch 'PRIVATE KEY') {
        throw "secret $($Config.CERTIFICATE_SECRET) has no certificate as dcv.pem and its key as dcv.key"
    }
    foreach ($file in 'dcv.pem', 'dcv.key') { [IO.File]::WriteAllText("$DcvFiles\$file", $held.$file) }
    return $true
}

# Set a value of DCV's configuration; whether it was another one.
function Set-Dcv([string]$Section, [string]$Name, $Value) {
    $key = "$DcvKey\$Section"
    if (-not (Test-Path $key)) { New-Item $key -Force | Out-Null }
    if ((Get-ItemProperty $key).$Name -eq $Value) { return $false }
    $type = if ($Value -is [int]) { 'DWord' } else { 'String' }
    New-ItemProperty $key -Name $Name -Value $Value -PropertyType $type -Force | Out-Null
    return $true
}

function Set-DcvConfiguration {
    $changed = @(Set-Dcv 'connectivity' 'web-port' ([int]$Config.DCV_PORT))
    if ($Config.SIGN_IN -eq 'dcv') {
        $changed += Set-Dcv 'connectivity' 'idle-timeout' 0
        $changed += Set-Dcv 'security' 'os-auto-lock' 0
        $changed += Set-Dcv 'security' 'auth-token-verifier' "$($script:Api)/dcv/$($script:InstanceId)"
        $changed += Set-Dcv 'session-management' 'create-session' 0
    }
    if ($changed -contains $true) { Restart-Service dcvserver -Force } else { Start-Service dcvserver }
    return $true
}

function Confirm-Session {
    if ($Config.SIGN_IN -ne 'dcv') { return }
    & $Dcv describe-session $Session *> $null
    if ($LASTEXITCODE -eq 0) { return }
    & $Dcv create-session --owner $SessionOwner --max-concurrent-clients 1 $Session *> $null
    if ($LASTEXITCODE -ne 0) { throw "the DCV session $Session cannot be created" }
    Write-Log "created the DCV session $Session"
}

function Test-Dcv {
    Confirm-Session
    & curl.exe --silent --insecure --max-time 5 --output NUL "https://127.0.0.1:$($Config.DCV_PORT)/"
    if ($LASTEXITCODE -ne 0) { throw "DCV does not answer on port $($Config.DCV_PORT) yet" }
    return $true
}

# How many clients are connected; nothing if that is not known.
function Get-Connections {
    $which = if ($Config.SIGN_IN -eq 'dcv') { 'describe-session', $Session } else { , 'list-sessions' }
    $said = & $Dcv @which --json 2> $null
    if ($LASTEXITCODE -ne 0) { return }
    $counts = $said | Out-String | ConvertFrom-Json | ForEach-Object { $_.'num-of-connections' }
    ($counts | Measure-Object -Sum).Sum
}

# The session shows what the console shows, so its user is logged on: with a password that only this
# instance has, after one restart.
function Enable-AutoLogon {
    if ($Config.SIGN_IN -ne 'dcv' -or (Test-Path "$State\autologon")) { return }
    $bytes = New-Object byte[] 24
    [Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($bytes)
    $password = 'aA1!' + [Convert]::ToBase64String($bytes)
    Set-LocalUser $SessionOwner -Password (ConvertTo-SecureString $password -AsPlainText -Force)
    $values = @{ AutoAdminLogon = '1'; DefaultUserName = $SessionOwner; DefaultDomainName = '.'; DefaultPassword = $password }
    foreach ($name in $values.Keys) { Set-ItemProperty $Winlogon -Name $name -Value $values[$name] -Type String }
    New-Item "$State\autologon" -ItemType File | Out-Null
    Write-Log 'restarting once, to log the session''s user on'
    Restart-Computer -Force
    exit 0
}

# --- Hooks: *.ps1 in start.d and finish.d

function Invoke-Hooks([string]$Folder) {
    $data = @{}
    foreach ($hook in Get-ChildItem "$Root\$Folder\*.ps1" | Sort-Object Name) {
        Write-Log "running $Folder\$($hook.Name)"
        $process = Start-Process powershell.exe -PassThru -NoNewWindow `
            -ArgumentList "-NoProfile -ExecutionPolicy Bypass -File `"$($hook.FullName)`"" `
            -RedirectStandardOutput "$Root\hook.out" -RedirectStandardError "$Root\hook.err"
        $null = $process.Handle # so that its exit code is kept
        if (-not $process.WaitForExit(1000 * [int]$Config.HOOK_SECONDS)) { $process.Kill() }
        elseif ($process.ExitCode -ne 0) { Write-Log "$($hook.Name) failed with status $($process.ExitCode)" }
        $lines = @(Get-Content "$Root\hook.out")
        Write-Log "$($hook.Name): $($lines -join "`n") $(Get-Content "$Root\hook.err" -Raw)"
        $found = $null
        foreach ($line in $lines) {
            if ($line -notmatch '^\s*\{') { continue }
            try { $found = $line | ConvertFrom-Json } catch { continue }
        }
        if ($found) { $found.PSObject.Properties | ForEach-Object { $data[$_.Name] = $_.Value } }
        elseif ($lines) { $data[$hook.BaseName] = ($lines -join "`n") }
    }
    return $data
}

# --- The desktop's life

function Complete-Meeting([string]$Reason) {
    $script:Finishing = $true
    Write-Log "finishing: $Reason"
    if (-not (Test-Path "$State\session-data.json")) {
        $data = Invoke-Hooks 'finish.d'
        $data['finished'] = $true
        [IO.File]::WriteAllText("$State\session-data.json", (ConvertTo-Json $data -Compress -Depth 20))
    }
    $body = [IO.File]::ReadAllText("$State\session-data.json")
    Invoke-Retry { Invoke-Api 'POST' 'desktop/finished' $body }
    if ($script:Status -in '400', '413') {
        Write-Log "the session data was refused: $($script:Answer)"
        Invoke-Retry { Invoke-Api 'POST' 'desktop/finished' '{"finished":true}' }
    }
    Write-Log 'powering off'
    Stop-Computer -Force
    exit 0
}

function Send-Healthy {
    if (Test-Path "$State\healthy") { return }
    Invoke-Retry { Invoke-Api 'POST' 'desktop/healthy' }
    while ($script:Status -eq '409') {
        Start-Sleep -Seconds 5
        Invoke-Retry { Invoke-Api 'POST' 'desktop/healthy' }
    }
    New-Item "$State\healthy" -ItemType File | Out-Null
    Write-Log 'reported that the desktop is healthy'
}

# Ask what the meeting is, and note when it ends, which may have changed.
function Read-Meeting([string]$Query = '') {
    if (-not (Invoke-Api 'GET' "desktop$Query")) { return $false }
    $meeting = $script:Answer | ConvertFrom-Json
    $script:EndsAt = if ($meeting.ends_at) { ([DateTime]$meeting.ends_at).ToUniversalTime() } else { [DateTime]::MaxValue }
    return $true
}

# Whether the meeting ends within a minute, which is left for the hooks of finish.d.
function Test-Ending {
    return [DateTime]::UtcNow -ge $script:EndsAt.AddMinutes(-1)
}

# Ask the API once a minute, and as soon as somebody connects or leaves.
function Watch-Meeting {
    $connected = $null
    $told = $null
    $turns = 0
    while (-not (Test-Path "$Root\finish")) {
        try {
            Confirm-Session
            $count = Get-Connections
            if ($count -gt 0) { $connected = [DateTime]::UtcNow }
            $idle = [int]$Config.IDLE_MINUTES
            if ($idle -gt 0 -and $connected -and $count -eq 0 -and $connected.AddMinutes($idle) -lt [DateTime]::UtcNow) {
                Complete-Meeting "nobody has been connected for $idle minutes"
            }
            $query = if ($null -ne $count) { "?connections=$count" }
            if ($count -ne $told -or $turns++ % 3 -eq 0) {
                if (Read-Meeting $query) { $told = $count }
            }
            if ((Test-Ending) -and (Read-Meeting) -and (Test-Ending)) { Complete-Meeting "the meeting's time is over" }
        } catch { Write-Log "$_" }
        Start-Sleep -Seconds $PollSeconds
    }
    Remove-Item "$Root\finish"
    Complete-Meeting 'asked to finish'
}

$Config = @{ CERTIFICATE_SECRET = ''; SIGN_IN = 'dcv'; DCV_PORT = '8443'; IDLE_MINUTES = '0'; HOOK_SECONDS = '600' }
foreach ($line in Get-Content "$Root\desktop.conf") {
    $name, $value = $line.Split('=', 2)
    if ($null -ne $value) { $Config[$name] = $value }
}
Invoke-Retry { ($script:InstanceId = Get-Metadata 'instance-id') -and ($script:Region = Get-Metadata 'placement/region') }
Invoke-Retry { $script:Api = "$(Get-Metadata 'tags/instance/elephant:api')".TrimEnd('/'); $true }
if (-not $Api) {
    Write-Log "$InstanceId has no tag elephant:api, so it is no desktop of a meeting: nothing to do"
    exit 0
}
$State = "$Root\$InstanceId"
New-Item $State -ItemType Directory -Force | Out-Null
Enable-AutoLogon
if (Test-Path "$State\session-data.json") { Complete-Meeting 'as before the restart' }
Invoke-Retry { Read-Meeting }
$meeting = $script:Answer | ConvertFrom-Json
$env:ELEPHANT_MEETING_ID = $meeting.meeting_id
$env:ELEPHANT_ROLE = $meeting.role
$env:ELEPHANT_ROOM_URL = $meeting.room_url
$env:ELEPHANT_API = $Api
Write-Log "$InstanceId is the $($meeting.role)'s desktop of meeting $($meeting.meeting_id)"
Invoke-Prepared { Install-Certificate }
Invoke-Prepared { Set-DcvConfiguration }
Invoke-Prepared { Test-Dcv }
if (-not (Test-Path "$State\started")) {
    Invoke-Hooks 'start.d' | Out-Null
    New-Item "$State\started" -ItemType File | Out-Null
}
Send-Healthy
Watch-Meeting
