# Put a link to the meeting's room, if it has one, onto the desktop.
if ($env:ELEPHANT_ROOM_URL) {
    $link = "[InternetShortcut]`r`nURL=$env:ELEPHANT_ROOM_URL`r`n"
    [IO.File]::WriteAllText("$env:PUBLIC\Desktop\Meeting room.url", $link)
}
