; The Windows installer: for one person, without an administrator. Made by make_installer.py, which gives the defines
; VERSION, PAYLOAD (a bundle), LAUNCHER, ICON, SIZE (kilobytes) and OUTPUT.
;   /S silent   /D=FOLDER where to (last, without quotes)   /NODESKTOP no entry on the desktop
; As on Linux a new version comes into a folder of its own, and the file `current` is replaced in one step at the end: an
; update that is stopped or killed leaves the old version as it was, and `easel rollback` goes back to it.
Unicode true
Target amd64-unicode
RequestExecutionLevel user
ManifestDPIAware true
SetCompressor /SOLID zlib ; lzma makes the file a tenth smaller and takes ten times as long
!include MUI2.nsh
!include FileFunc.nsh
!include LogicLib.nsh
!include x64.nsh

Name "Easel"
OutFile "${OUTPUT}"
InstallDir "$LOCALAPPDATA\Programs\Easel"
InstallDirRegKey HKCU "Software\Easel" "InstallDir"
BrandingText "Easel ${VERSION}"
VIProductVersion "${VERSION}.0"
VIAddVersionKey ProductName "Easel"
VIAddVersionKey FileDescription "Easel: pictures from words, offline"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey LegalCopyright "Apache-2.0"

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_ABORTWARNING
!define MUI_FINISHPAGE_RUN "$INSTDIR\Easel.exe"
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\Easel"
; The evergreen WebView2 runtime, as Microsoft says how to look for it.
!define WEBVIEW "Microsoft\EdgeUpdate\Clients\{F3017226-FE2A-4295-8BDF-00C3A9A7E4C5}"
!define WEBVIEW_PAGE "https://developer.microsoft.com/microsoft-edge/webview2/"

Var Version  ; the name of the new version's folder
Var Number
Var First    ; the two lines of `current`
Var Second

Function .onInit
  ${IfNot} ${RunningX64}
    MessageBox MB_ICONSTOP "Easel needs a 64-bit Windows." /SD IDOK
    SetErrorLevel 3
    Quit
  ${EndIf}
FunctionEnd

!macro TrimLine Variable
  Push ${Variable}
  Call Trim
  Pop ${Variable}
!macroend
!define TrimLine "!insertmacro TrimLine"

Function ReadCurrent
  StrCpy $First ""
  StrCpy $Second ""
  ClearErrors
  FileOpen $0 "$INSTDIR\current" r
  ${IfNot} ${Errors}
    FileRead $0 $First
    FileRead $0 $Second
    FileClose $0
    ${TrimLine} $First
    ${TrimLine} $Second
  ${EndIf}
  ClearErrors
FunctionEnd

; Without the line's end: `current` may have been written by Python.
Function Trim
  Exch $R0
  again:
  StrCpy $R1 $R0 1 -1
  StrCmp $R1 "$\n" cut
  StrCmp $R1 "$\r" cut
  StrCmp $R1 " " cut done
  cut:
  StrCpy $R0 $R0 -1
  Goto again
  done:
  Exch $R0
FunctionEnd

; What `current` does not name is an update that was killed, or a version of long ago.
Function ClearLeftovers
  FindFirst $0 $1 "$INSTDIR\versions\*"
  ${DoWhile} $1 != ""
    ${If} $1 != "."
    ${AndIf} $1 != ".."
    ${AndIf} $1 != $First
    ${AndIf} $1 != $Second
      RMDir /r "$INSTDIR\versions\$1"
    ${EndIf}
    FindNext $0 $1
  ${Loop}
  FindClose $0
FunctionEnd

Section "Easel"
  SetOutPath "$INSTDIR"
  Call ReadCurrent
  Call ClearLeftovers
  StrCpy $Version "${VERSION}"
  StrCpy $Number 1
  ${DoWhile} ${FileExists} "$INSTDIR\versions\$Version\*.*"
    IntOp $Number $Number + 1
    StrCpy $Version "${VERSION}-$Number"
  ${Loop}

  SetOutPath "$INSTDIR\versions\$Version"
  ClearErrors
  File /r "${PAYLOAD}/*"
  ${If} ${Errors}
    Goto failed
  ${EndIf}
  nsExec::Exec '"$INSTDIR\versions\$Version\easel.exe" --version'
  Pop $0
  ${If} $0 != 0
    Goto failed
  ${EndIf}
  ; Which card is here and whether this Easel can use it: shown among the details, and left to the person.
  nsExec::ExecToLog '"$INSTDIR\versions\$Version\easel.exe" backend'
  Pop $0
  ${If} $0 = 3
    DetailPrint "This Easel does not fit the graphics card; it will use the processor. The lines above say what would fit."
  ${EndIf}

  SetOutPath "$INSTDIR"
  File "/oname=Easel.exe" "${LAUNCHER}"
  File "/oname=easel.ico" "${ICON}"
  FileOpen $0 "$INSTDIR\easel.cmd" w
  FileWrite $0 "@echo off$\r$\nset /p version=<$\"%~dp0current$\"$\r$\n$\"%~dp0versions\%version%\easel.exe$\" %*$\r$\n"
  FileClose $0
  FileOpen $0 "$INSTDIR\current.new" w
  FileWrite $0 "$Version$\n"
  ${If} $First != ""
    FileWrite $0 "$First$\n"
  ${EndIf}
  FileClose $0
  ; 1: replace what is there, 8: do not return before it is on the disk
  System::Call 'kernel32::MoveFileExW(w "$INSTDIR\current.new", w "$INSTDIR\current", i 9) i .r0'
  ${If} $0 = 0
    Goto failed
  ${EndIf}

  CreateShortcut "$SMPROGRAMS\Easel.lnk" "$INSTDIR\Easel.exe" "" "$INSTDIR\easel.ico"
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/NODESKTOP" $1
  ${If} ${Errors}
    CreateShortcut "$DESKTOP\Easel.lnk" "$INSTDIR\Easel.exe" "" "$INSTDIR\easel.ico"
  ${EndIf}
  WriteRegStr HKCU "Software\Classes\.easel" "" "Easel.Preset"
  WriteRegStr HKCU "Software\Classes\Easel.Preset" "" "Easel preset"
  WriteRegStr HKCU "Software\Classes\Easel.Preset\DefaultIcon" "" "$INSTDIR\easel.ico"
  WriteRegStr HKCU "Software\Classes\Easel.Preset\shell\open\command" "" '"$INSTDIR\Easel.exe" open "%1"'
  WriteRegStr HKCU "Software\Easel" "InstallDir" "$INSTDIR"
  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "Easel"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" "Publisher" "The makers of Easel"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayIcon" "$INSTDIR\easel.ico"
  WriteRegStr HKCU "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL}" "EstimatedSize" ${SIZE}
  WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
  Call LookForWebView
  Return

  failed:
  SetOutPath "$TEMP"
  RMDir /r "$INSTDIR\versions\$Version"
  MessageBox MB_ICONSTOP "Easel ${VERSION} could not be installed: its files could not be written, or it does not start on this \
    computer. Nothing was changed. See whether the disk has $\"${SIZE}$\" kB of room." /SD IDOK
  SetErrorLevel 3
  Abort
SectionEnd

; Windows 11 has it. Without it Easel opens in the browser, so nothing here may fail.
Function LookForWebView
  ReadRegStr $0 HKLM "SOFTWARE\WOW6432Node\${WEBVIEW}" "pv"
  ${If} $0 == ""
    ReadRegStr $0 HKCU "Software\${WEBVIEW}" "pv"
  ${EndIf}
  ${If} $0 == ""
  ${OrIf} $0 == "0.0.0.0"
    WriteRegStr HKCU "Software\Easel" "WebView2" "missing"
    DetailPrint "Microsoft's WebView2 was not found; Easel opens in the browser. ${WEBVIEW_PAGE} has it."
    MessageBox MB_YESNO|MB_ICONINFORMATION "Easel is installed. Its own window needs Microsoft's WebView2, which is not on this \
      computer; until then Easel opens in your browser.$\n$\nOpen the page that has it?" /SD IDNO IDNO nothing
    ExecShell "open" "${WEBVIEW_PAGE}"
    nothing:
  ${Else}
    WriteRegStr HKCU "Software\Easel" "WebView2" "$0"
    DetailPrint "WebView2 $0 is there."
  ${EndIf}
FunctionEnd

; Pictures, models, presets and settings stay, unless somebody says otherwise: by the question, or with /DATA.
Section "Uninstall"
  ${GetParameters} $0
  ClearErrors
  ${GetOptions} $0 "/DATA" $1
  ${IfNot} ${Errors}
    Goto data
  ${EndIf}
  MessageBox MB_YESNO|MB_DEFBUTTON2|MB_ICONQUESTION "Remove models, presets, settings and the history too?$\n$\nThe pictures stay in \
    any case." /SD IDNO IDYES data IDNO keep
  data:
  RMDir /r "$LOCALAPPDATA\easel"
  keep:
  Delete "$SMPROGRAMS\Easel.lnk"
  Delete "$DESKTOP\Easel.lnk"
  DeleteRegKey HKCU "Software\Classes\Easel.Preset"
  ReadRegStr $0 HKCU "Software\Classes\.easel" ""
  ${If} $0 == "Easel.Preset"
    DeleteRegKey HKCU "Software\Classes\.easel"
  ${EndIf}
  DeleteRegKey HKCU "${UNINSTALL}"
  DeleteRegKey HKCU "Software\Easel"
  RMDir /r "$INSTDIR\versions"
  Delete "$INSTDIR\current"
  Delete "$INSTDIR\current.new"
  Delete "$INSTDIR\Easel.exe"
  Delete "$INSTDIR\easel.cmd"
  Delete "$INSTDIR\easel.ico"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR" ; stays where a folder `portable` with somebody's pictures is in it
SectionEnd
