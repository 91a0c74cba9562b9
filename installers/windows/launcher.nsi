; Easel.exe beside the versions: starts the one that `current` names, with the same words, and leaves.
Unicode true
Target amd64-unicode
RequestExecutionLevel user
SilentInstall silent
Name "Easel"
Icon "${ICON}"
OutFile "${OUTPUT}"
!include FileFunc.nsh
!include LogicLib.nsh

Section
  ${GetParameters} $1
  ClearErrors
  FileOpen $0 "$EXEDIR\current" r
  ${DoUntil} ${Errors}
    FileRead $0 $2
    ${IfNot} ${Errors}
      trim:
      StrCpy $3 $2 1 -1
      ${If} $3 == "$\n"
      ${OrIf} $3 == "$\r"
        StrCpy $2 $2 -1
        Goto trim
      ${EndIf}
      ${If} ${FileExists} "$EXEDIR\versions\$2\easel.exe"
        FileClose $0
        SetOutPath "$PROFILE"
        Exec '"$EXEDIR\versions\$2\easel.exe" $1'
        Quit
      ${EndIf}
    ${EndIf}
  ${Loop}
  MessageBox MB_ICONSTOP "No version of Easel is left in $EXEDIR. Install it again; your pictures and settings are kept."
  SetErrorLevel 3
SectionEnd
